"""Speech: what a burst holds, the codec, and the recordings that people bring. Bytes in, bytes out."""
