"""One file per published protocol: its request and reply shapes. Knows no bytes."""
