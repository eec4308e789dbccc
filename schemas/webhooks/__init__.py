"""What leaves as webhooks: CloudEvents with thin bodies, one model for each kind of data."""
