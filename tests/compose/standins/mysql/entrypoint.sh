#!/bin/bash
# What the real image's entrypoint does with MYSQL_ROOT_PASSWORD_FILE, as the real one does it: the server runs as `mysql`,
# the password is read as that user, and root@'%' exists.
set -euo pipefail
data=/var/lib/mysql
if [ "$(id -u)" = 0 ]; then
    chown -R mysql:mysql "$data" /run/mysqld
    exec setpriv --reuid=mysql --regid=mysql --init-groups /bin/bash "$0" "$@"
fi
first=()
if [ ! -d "$data/mysql" ]; then
    mariadb-install-db --datadir="$data" --auth-root-authentication-method=normal --skip-test-db >/dev/null
    password=$(cat "$MYSQL_ROOT_PASSWORD_FILE")
    umask 077
    cat >/run/mysqld/first.sql <<SQL
ALTER USER 'root'@'localhost' IDENTIFIED BY '$password';
CREATE USER 'root'@'%' IDENTIFIED BY '$password';
GRANT ALL PRIVILEGES ON *.* TO 'root'@'%' WITH GRANT OPTION;
DROP USER IF EXISTS ''@'localhost';
DROP USER IF EXISTS ''@'$HOSTNAME';
SQL
    first=(--init-file=/run/mysqld/first.sql)
fi
exec mariadbd --no-defaults --datadir="$data" --socket=/run/mysqld/mysqld.sock --bind-address=0.0.0.0 --skip-name-resolve "$@" "${first[@]}"
