"""Certificates of devices: requests are judged and signed, claims are checked, revoked ones are listed.

The key of a device never leaves it: a request comes in, a certificate goes out. Everything here is computing, without
files and without a clock. Signing takes about a millisecond, so whoever signs many does it in a thread.

Sources: RFC 5280 (certificates and revocation lists), RFC 2986 (requests), CA/Browser Forum baseline 7.1 (serials).
"""

from fleet.pki.authority import Authority as Authority
from fleet.pki.authority import Issued as Issued
from fleet.pki.authority import OwnAuthority as OwnAuthority
from fleet.pki.authority import create as create
from fleet.pki.authority import load as load
from fleet.pki.claim import Manufacturers as Manufacturers
from fleet.pki.claim import check_signature as check_signature
from fleet.pki.claim import manufacturers as manufacturers
from fleet.pki.parts import LONGEST_NAME as LONGEST_NAME
from fleet.pki.parts import Unfit as Unfit
from fleet.pki.revocation import ListRead as ListRead
from fleet.pki.revocation import Revoked as Revoked
from fleet.pki.revocation import read_list as read_list
