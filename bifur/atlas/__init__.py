"""The atlas: what to compute, the file on disk, reading it."""
