"""What a configuration will need of memory and time, known before it is trained."""
