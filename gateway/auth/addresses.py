"""Client addresses, as limits count them."""

import ipaddress


def counted_address(address: str) -> str:
    """What counts as one address: an IPv6 caller has 2**64 of them, so its /64 counts."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        # Callers without an address share one count; an empty key would be no limit at all.
        return "unknown"
    if parsed.version == 4:
        return address
    return str(ipaddress.ip_network((int(parsed) >> 64 << 64, 64)))
