"""The KV layer: keys and versioned values on an engine, and above them stores with indexes."""
