"""What carriers do with bundles: courier files, summaries, frames. Pure: bytes in, bytes out."""
