"""Studies of face presentation attack detection and recognition."""
