"""The audit log: records, chain, streams, and the layer that writes them."""
