"""The stack in containers: docker-compose.yml, what runs inside it, and what drives it from outside."""
