"""An invented company with its customers: business events to see Bellwether at work, the same for the same seed."""
