"""MySQL and MariaDB: the doors that the strategies use."""
