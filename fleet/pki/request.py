"""A device's request for a certificate (PKCS #10): judged before anything is signed."""

from __future__ import annotations

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from fleet.pki.parts import LONGEST_NAME, PublicKey, Unfit, common_name

_CURVES = (ec.SECP256R1, ec.SECP384R1)
_RSA_BITS = range(2048, 4097)
_HASHES = (hashes.SHA256, hashes.SHA384, hashes.SHA512)


def requested_key(csr_pem: str, device_id: str) -> PublicKey:
    """The key that a request is for. Raises Unfit, whatever the text is."""
    if len(device_id) > LONGEST_NAME:
        raise Unfit(f"a certificate can name {LONGEST_NAME} characters, and the device id has {len(device_id)}")
    try:
        request = x509.load_pem_x509_csr(csr_pem.encode())
        key, name = request.public_key(), common_name(request.subject)
        proven = request.is_signature_valid
        digest = request.signature_hash_algorithm
    except (ValueError, UnsupportedAlgorithm):
        raise Unfit("it is no certificate request in PEM, or one of a kind that is not taken") from None
    if not proven:
        raise Unfit("the request is not signed with its own key")
    if digest is not None and not isinstance(digest, _HASHES):
        raise Unfit(f"the request is signed with {digest.name}, which is too weak")
    if name != device_id:
        raise Unfit(f"the request names {name!r}, and its device is {device_id}")
    match key:
        case ec.EllipticCurvePublicKey() if isinstance(key.curve, _CURVES):
            return key
        case rsa.RSAPublicKey() if key.key_size in _RSA_BITS:
            return key
        case ed25519.Ed25519PublicKey():
            return key
    raise Unfit("the key must be EC P-256 or P-384, Ed25519, or RSA of 2,048 to 4,096 bits")
