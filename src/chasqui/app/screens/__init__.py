"""What people see: plain words, what it means for safety, what to do now. Pure: results in, text out."""
