import com.sun.management.OperatingSystemMXBean;
import java.lang.management.ManagementFactory;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicBoolean;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.state.KeyValueStore;

/**
 * Counts the events of each customer with Kafka Streams, one thread, in its default store (RocksDB with a cache). It
 * commits ten times a second (its default is every thirty seconds), so that the end is seen when it comes. The events
 * are not parsed: the key suffices.
 */
public final class KafkaStreamsCounter {
    private KafkaStreamsCounter() {}

    public static void main(String[] arguments) throws InterruptedException {
        var properties = new Properties();
        properties.put(StreamsConfig.APPLICATION_ID_CONFIG, System.getenv("BENCH_GROUP"));
        properties.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, System.getenv("BENCH_KAFKA"));
        properties.put(StreamsConfig.STATE_DIR_CONFIG, System.getenv("BENCH_DIR"));
        properties.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 1);
        properties.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 100);
        properties.put("auto.offset.reset", "earliest");

        var saidFirst = new AtomicBoolean();
        var builder = new StreamsBuilder();
        builder.stream(System.getenv("BENCH_TOPIC"), Consumed.with(Serdes.String(), Serdes.ByteArray()))
            .peek((customer, event) -> {
                if (!saidFirst.getPlain() && saidFirst.compareAndSet(false, true)) {
                    System.out.println("first " + System.currentTimeMillis() / 1e3 + " " + cpuSeconds());
                }
            })
            .groupByKey(Grouped.with(Serdes.String(), Serdes.ByteArray()))
            .count(Materialized.<String, Long, KeyValueStore<Bytes, byte[]>>as("counts")
                .withKeySerde(Serdes.String())
                .withValueSerde(Serdes.Long()));

        var streams = new KafkaStreams(builder.build(), properties);
        var ended = new CountDownLatch(1);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            streams.close();
            ended.countDown();
        }));
        streams.start();
        ended.await();
    }

    private static double cpuSeconds() {
        return ((OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean()).getProcessCpuTime() / 1e9;
    }
}
