"""What people type: the commands, their help, and what is generated from both."""
