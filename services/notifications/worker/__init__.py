"""What this service does by itself: cycles, reasons, digests, reminders, and the dispatcher."""
