"""OAuth 1.0a with one leg: each request signed with a key and a secret, without a token.

What shops want that are reached without TLS (WooCommerce over plain HTTP): the secret itself never
travels. The parameters go into the query, because hosts strip the Authorization header now and then.
"""

import re
from typing import Any

import requests
from oauthlib.oauth1 import SIGNATURE_HMAC_SHA256, SIGNATURE_TYPE_QUERY, Client
from requests.auth import AuthBase

_OLD = re.compile(r"(?<=[?&])oauth_[a-z_]+=[^&]*&?")


class OneLegged(AuthBase):
    """Signs each attempt anew: a nonce is good for once, and a time stamp for some minutes."""

    def __init__(self, consumer_key: str, consumer_secret: str) -> None:
        self.consumer_key, self.consumer_secret = consumer_key, consumer_secret

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        # After a redirect the address has the parameters of the request before in it.
        plain = _OLD.sub("", str(request.url)).rstrip("?&")
        client: Any = Client(
            self.consumer_key,
            client_secret=self.consumer_secret,
            signature_method=SIGNATURE_HMAC_SHA256,
            signature_type=SIGNATURE_TYPE_QUERY,
        )
        try:
            request.url = client.sign(plain, http_method=str(request.method))[0]
        except ValueError as error:  # characters that no address may have
            raise requests.exceptions.InvalidURL("the address cannot be signed") from error
        return request
