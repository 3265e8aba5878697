"""What can be wrong on the way to Vault, STS and the database: names, connections, certificates, clocks."""

from __future__ import annotations

from vaultgate_ops.doctor.catalogue.kind import Kind
from vaultgate_ops.doctor.model import ERROR, WARNING

KINDS = (
    Kind(
        "dns.unknown",
        ERROR,
        "The name has no address here.",
        "the name",
        "Try: getent hosts {host}. In a VPC: enableDnsSupport and enableDnsHostnames on, and the private hosted zone associated.",
    ),
    Kind(
        "dns.timeout",
        ERROR,
        "Nobody answers questions about names.",
        "how long it took",
        "Give the VPC's resolver back: aws ec2 modify-vpc-attribute --vpc-id <vpc> --enable-dns-support; see the DHCP options.",
    ),
    Kind(
        "tcp.refused",
        ERROR,
        "The machine answers, but nobody listens at this port.",
        "each address, and what came",
        "Start it, or correct the port {port}; the way there is open.",
    ),
    Kind(
        "tcp.no-way-out",
        ERROR,
        "The function's subnets have no way to public addresses: neither a NAT gateway nor, for AWS, a VPC endpoint.",
        "each address, public, and that it timed out",
        "{way} or route the subnets through a NAT gateway: aws ec2 create-nat-gateway --subnet-id <public subnet> ...",
    ),
    Kind(
        "tcp.endpoint-closed",
        ERROR,
        "There is a VPC endpoint, and its security group doesn't let the function in.",
        "each address, private, and that it timed out",
        "Run: aws ec2 authorize-security-group-ingress --group-id <endpoint's> --protocol tcp --port {port} "
        "--source-group <function's>.",
    ),
    Kind(
        "tcp.filtered",
        ERROR,
        "Packets get lost on the way: a security group, a network ACL, a firewall or a missing route.",
        "each address, and that it timed out",
        "Run: aws ec2 authorize-security-group-ingress --group-id <server's> --protocol tcp --port {port} "
        "--source-group <function's>; then look at routes, peering and network ACLs.",
    ),
    Kind(
        "tcp.no-route",
        ERROR,
        "There is no route to it from here.",
        "each address, and the system's words",
        "Add a route for {host} (VPC peering, transit gateway, VPN), or correct the address.",
    ),
    Kind(
        "tcp.failed",
        ERROR,
        "No connection came about.",
        "each address, and the system's words",
        "Look at {host}:{port} from the same subnet.",
    ),
    Kind(
        "tcp.one-address",
        WARNING,
        "One of several addresses doesn't answer, and each cold start may wait for it first.",
        "each address, and what came",
        "Take the address out of DNS, or mend what is behind it.",
    ),
    Kind(
        "tls.expired",
        ERROR,
        "The certificate has expired.",
        "when, and this machine's time",
        "Renew the certificate of {host}, and have Vault load it: systemctl reload vault, or kill -HUP <its pid>.",
    ),
    Kind(
        "tls.not-yet-valid",
        ERROR,
        "The certificate isn't valid yet, or this machine's clock is behind.",
        "from when on, and this machine's time",
        "Compare the clock (`vaultgate doctor --only clock`); if that is right, issue the certificate anew.",
    ),
    Kind(
        "tls.wrong-name",
        ERROR,
        "The certificate is for other names than the one that is asked for.",
        "the name, and those of the certificate",
        "Use one of its names in the address, or set VAULT_TLS_SERVER_NAME={first}, or issue it for {expected} too.",
    ),
    Kind(
        "tls.unknown-authority",
        ERROR,
        "The certificate comes from an authority that isn't trusted here.",
        "its issuer, and who is trusted",
        "Name the bundle with {issuer!r} in it: VAULT_CACERT=<file> (certificates/ in the template); with intermediate "
        "authorities let the server send the whole chain.",
    ),
    Kind(
        "tls.ends-soon",
        WARNING,
        "The certificate expires soon.",
        "when",
        "Renew the certificate of {host} before that.",
    ),
    Kind(
        "tls.client-certificate",
        ERROR,
        "The server wants to see a client's certificate.",
        "the library's words",
        "Set VAULT_CLIENT_CERT and VAULT_CLIENT_KEY, or in Vault's listener: tls_disable_client_certs = true.",
    ),
    Kind(
        "tls.not-tls",
        ERROR,
        "What answers there speaks no TLS.",
        "the library's words",
        "Correct scheme or port of {host}:{port}; Vault's is usually 8200.",
    ),
    Kind(
        "tls.silent",
        ERROR,
        "The connection is open, and TLS gets no answer.",
        "that it timed out",
        "Look at what stands between: a load balancer without healthy targets, an inspecting firewall, an MTU that is too large.",
    ),
    Kind(
        "tls.files",
        ERROR,
        "A certificate file of the settings can't be used.",
        "the variable and the file",
        "Put a PEM file there, and see that the function may read it.",
    ),
    Kind(
        "tls.failed",
        ERROR,
        "TLS doesn't come about.",
        "the library's words",
        "Try: openssl s_client -connect {host}:{port} -servername {expected}.",
    ),
    Kind(
        "clock.ours",
        ERROR,
        "This machine's clock is wrong: AWS refuses signatures that are five minutes off.",
        "by how much it differs from Vault's and STS's",
        "Set the clock: sudo chronyc makestep (in Lambda: report it to AWS).",
    ),
    Kind(
        "clock.unclear",
        ERROR,
        "This machine's clock and {who}'s differ by more than AWS allows; which of them is wrong isn't known.",
        "by how much",
        "Compare both with a third one; then on the one that is wrong: sudo chronyc makestep.",
    ),
    Kind(
        "clock.theirs",
        WARNING,
        "{who}'s clock is wrong: leases and tokens end at another time than they say.",
        "by how much it differs from ours and STS's",
        "On {who}'s machine: sudo chronyc makestep.",
    ),
    Kind(
        "clock.drifting",
        WARNING,
        "This machine's clock and {who}'s drift apart.",
        "by how much",
        "Look at: chronyc tracking.",
    ),
)
