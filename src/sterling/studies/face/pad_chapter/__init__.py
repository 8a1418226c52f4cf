"""Types of protocol in face presentation attack detection."""
