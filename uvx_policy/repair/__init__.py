"""Put edited, missing and poisoned files back to what their RECORD says."""
