"""What was asked, what is stored, and so what is missing."""
