-- Vault's own user in MySQL or MariaDB: it makes, renews and drops the users of functions, and nothing else.
-- Run it as an administrator. Replace the words in capitals: the network that Vault's nodes are in (10.1.%), the
-- database and the table; and the password, which 'vault write -f database/rotate-root/shop' ends a minute later.

-- REQUIRE SSL: a login without TLS is refused, whatever the client thinks of it.
CREATE USER 'vault'@'NETWORK' IDENTIFIED BY 'PASSWORD' REQUIRE SSL;

-- To make and drop users, to change the passwords of static roles, and its own at rotate-root.
-- MySQL 8: accounts that have SYSTEM_USER (give it to every administrator) can't be changed by one that hasn't.
-- MariaDB has no such line: there, whoever has CREATE USER may set any account's password. Let Vault's network alone in.
GRANT CREATE USER ON *.* TO 'vault'@'NETWORK';

-- What a user of Vault's is to have, Vault must have and may hand on. The table, never the database: on `db`.* an open session
-- goes on reading after its user was dropped.
GRANT SELECT ON `DATABASE`.`TABLE` TO 'vault'@'NETWORK' WITH GRANT OPTION;
