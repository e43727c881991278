"""How Bellwether is run: a local Kafka, the development runner, and files for production."""
