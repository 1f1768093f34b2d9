"""The header Authorization as the parameters it stands for: Bearer (RFC 6750, 2.1) and Basic (RFC 7617)."""

import base64
import binascii

from heliograph.api.params import Params


def read_authorization(header: bytes, params: Params) -> None:
    """Put an API key, or login and password, among the parameters, unless these name some; what cannot be read is nobody."""
    scheme, _, rest = header.partition(b" ")
    if not rest or params.get("apikey") or params.get("psw"):
        return
    if scheme.lower() == b"bearer":
        params["apikey"] = rest.strip().decode("latin-1")
    elif scheme.lower() == b"basic":
        try:
            login, colon, psw = base64.b64decode(rest.strip(), validate=True).decode("utf-8").partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return
        if colon:
            params["login"], params["psw"] = login, psw
