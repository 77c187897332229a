"""I/O at the edge: each file is one kind of link (chasqui.node.link_port)."""
