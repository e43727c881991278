"""PURE: which addresses of the network a channel may connect to: public ones, and networks that the operator allows.

An address of a webhook may come from whoever keeps the directory, and a name leads wherever its owner says. What lies
behind our own door (the database, a cloud's metadata service) must not be reached by such a way.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_NOT_PUBLIC = tuple(
    map(
        ip_network,
        # What versions of the standard library disagree about, or leave out.
        ("0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.88.99.0/24", "198.18.0.0/15", "240.0.0.0/4")
        + ("64:ff9b:1::/48", "100::/64", "fc00::/7", "fe80::/10", "fec0::/10", "5f00::/16"),
    )
)
_NAT64 = IPv6Network("64:ff9b::/96")
_COMPATIBLE = IPv6Network("::/96")


class NotANetwork(ValueError):
    """A text that should be a network such as 10.0.0.0/8 is none."""


@dataclass(frozen=True)
class Guard:
    """`allowed`: networks that may be connected to although they are not public."""

    allowed: tuple[Network, ...] = ()

    def admits(self, address: str) -> bool:
        """Whether a connection to the address may be made; False for what is no address."""
        try:
            found = ip_address(address.partition("%")[0])
        except ValueError:
            return False
        return any(found in network for network in self.allowed) or all(map(_is_public, _inside(found)))


PUBLIC_ONLY = Guard()


def networks(texts: Sequence[str]) -> tuple[Network, ...]:
    """Networks, and addresses as networks of one; raises NotANetwork with the text at fault."""
    found: list[Network] = []
    for text in texts:
        try:
            found.append(ip_network(text.strip()))
        except ValueError:
            raise NotANetwork(text) from None
    return tuple(found)


def _inside(address: Address) -> Iterator[Address]:
    """The address, and each that it leads to by way of a translator or tunnel."""
    yield address
    if isinstance(address, IPv4Address):
        return
    for inner in (address.ipv4_mapped, address.sixtofour, *(address.teredo or ())):
        if inner is not None:
            yield inner
    if address in _NAT64 or address in _COMPATIBLE:
        yield IPv4Address(int(address) & 0xFFFFFFFF)


def _is_public(address: Address) -> bool:
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        # What it leads to is asked for itself.
        return True
    odd = address.is_multicast or address.is_loopback or address.is_unspecified or address.is_link_local
    return address.is_global and not odd and not any(address in network for network in _NOT_PUBLIC)
