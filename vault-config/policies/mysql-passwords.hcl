# Passwords that Vault makes for database users: a password policy, not an access policy.
# Long enough for validate_password's strongest setting and for password_reuse rules, and without characters that need
# quoting in a URL, a shell, a properties file or MySQL's own option files.
length = 32

rule "charset" {
  charset   = "abcdefghijklmnopqrstuvwxyz"
  min-chars = 2
}

rule "charset" {
  charset   = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
  min-chars = 2
}

rule "charset" {
  charset   = "0123456789"
  min-chars = 2
}

rule "charset" {
  charset   = "-_.~"
  min-chars = 1
}
