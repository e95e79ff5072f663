"""ask.py ENDPOINT KEY SECRET METHOD PATH [-h NAME:VALUE]… [-b BODY]: one signed request to an S3 service.

Prints the status and then the body; ends with 0 whatever the status is. For what tests set up beside
holdfast: buckets, policies, locks. Nothing but the standard library.
"""

import datetime
import hashlib
import hmac
import http.client
import sys
import urllib.parse


def signed(key, secret, method, host, path, query, headers, body):
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    scope = f"{now[:8]}/us-east-1/s3/aws4_request"
    digest = hashlib.sha256(body).hexdigest()
    headers = {**headers, "host": host, "x-amz-date": now, "x-amz-content-sha256": digest}
    names = ";".join(sorted(headers))
    pairs = sorted(urllib.parse.parse_qsl(query, keep_blank_values=True))
    query = "&".join(f"{urllib.parse.quote(k, safe='')}={urllib.parse.quote(v, safe='')}" for k, v in pairs)
    canonical = "\n".join([method, urllib.parse.quote(path), query, *(f"{n}:{headers[n]}" for n in sorted(headers)), "", names, digest])
    text = "\n".join(["AWS4-HMAC-SHA256", now, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    step = ("AWS4" + secret).encode()
    for part in scope.split("/"):
        step = hmac.new(step, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(step, text.encode(), hashlib.sha256).hexdigest()
    headers["authorization"] = f"AWS4-HMAC-SHA256 Credential={key}/{scope}, SignedHeaders={names}, Signature={signature}"
    return query, headers


def main(endpoint, key, secret, method, target, *rest):
    headers, body = {}, b""
    rest = list(rest)
    while rest:
        flag, value = rest.pop(0), rest.pop(0)
        if flag == "-h":
            name, _, text = value.partition(":")
            headers[name.lower()] = text.strip()
        else:
            body = value.encode()
    host = urllib.parse.urlsplit(endpoint).netloc
    path, _, query = target.partition("?")
    query, headers = signed(key, secret, method, host, path, query, headers, body)
    connection = http.client.HTTPConnection(host, timeout=60)
    connection.request(method, urllib.parse.quote(path) + ("?" + query if query else ""), body, headers)
    answer = connection.getresponse()
    print(answer.status)
    sys.stdout.write(answer.read().decode(errors="replace"))


main(*sys.argv[1:])
