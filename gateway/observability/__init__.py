"""What the service says of itself beyond each request's event."""
