"""What the real uv will do: its command line, projects, configuration and destination."""
