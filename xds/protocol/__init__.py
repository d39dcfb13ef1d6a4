"""The xDS transport protocol of one stream, without I/O and without a clock."""
