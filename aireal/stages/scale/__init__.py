"""Many pictures by several processes and machines: inputs, engines, and the folder of shards that resumes."""
