/* SPDX-License-Identifier: MIT */
/* Keys made for the tests by `openssl genpkey`, each in one form; known to everybody, so good for nothing else. The one of
 * Ed25519 is that of RFC 8032, 7.1, test 1. */
#pragma once

static const char key_rsa_pkcs8[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQDI5dsJRnlaxD/g\n"
    "cgSeMaIHbYszWSm7StppDbftg3vxDzBr5o/3epTGHBTenmG0wvALTqVtNsUo6P9Q\n"
    "5wVo8lFyhAclhJgB3P+BRAEH5XWxz8yjF/zy/YzbO4fkYGkyTpVkL0xaUYWVLgtT\n"
    "yqBgmzMfT5A8n02XlTU4z84X7A+e2N4cduIDz1eFvXDXwT9baUd/rQjOweauDXgR\n"
    "FS075vYym4vRDVjq/uJK54XHyJWLdlXibu8FDysKNQMyb5N9s6BYK8k60czizFVu\n"
    "0c0hFrnPFJNxKsEQzIe/3JtWveVrqADejlwULj3VmSA7GpWWYAeaVg2iYd3rZp1M\n"
    "L1thvPeVAgMBAAECggEAEFFDzfhPKuKV9J9A2u+EQ1mwAirxEzZvJd7DIckkSUNh\n"
    "pwtKW2sgXTSn3krGJrDkX0ATUDBavxSpCN4cJ/bHS5zyg/yF0zWV0Ymfks+zVE62\n"
    "Rp36werQZM3W9GNUpWJ8IFp2IhTihn1/q93hUmTGDXpAfdK2R5m11wg2lhCqq80O\n"
    "kC40BC4bIbRYhXKZtMvJVFAraruFsKh0kcT4Tkmjle/tAAkXWvConHmQ1N41bqoj\n"
    "HfR6JLtVKiOAcvp7kyLdcGjtQG4QVFIlKoMm7SlDf2+Qt2uOUeeltALafQzSxmCN\n"
    "UKU8D1JscUH+L0FzgB17UZlzXOSe2bhzGEZYjO3xsQKBgQDqn4vbbfNRSASPrnn8\n"
    "M6RNYvu/OhW67BqPgT1PPIno6agk6PytNWNAukKg7NCFrhh3xYeB7gqQ7U3NnnCC\n"
    "lchUy0o4PI6Dlwo4u/AHIk2Jj+pb6Y54LCYybXfQgbIg8gsNVE/tJOXHZrD/Ya+D\n"
    "StemY25t9XvJYhNhZ7CQcqwkhQKBgQDbM689ywgjYNGXmg6pg1Z4eWH52B35LgR/\n"
    "1G7jytM9ufWc/QFGPrHZ8mxtPqFu3YkhFtX4y9/sqz+t2adLeAHGUziCfPu1UzjI\n"
    "6QCvC0r1TtHpccFib6aENl15aZB+thsMZv5mgf5qZsIZFiDfYMU5Tk4IzALnZ8Mh\n"
    "Px/SlE670QKBgGSxADa14zy46aw4NwXzq8nCd0RES1sjROrdjlBZLN6WmKDulLJJ\n"
    "PUVkKoAh4gPdCYctcNBkNoioL0HVg3enjIhHjpy/8HGs+qgKkCKfqCMnbm7vt0L/\n"
    "v4zYyhjj8GyPNAsOahbeRPbkrYWMiOSR1CcGeTgbqHpu6t5cv7veWt55AoGBAMQG\n"
    "xICOQQjiXI0myFXvjjTO2D+GdceQz5VBdKlhiOd6lZt+5tTa3FH76dsIV3W9yBQ/\n"
    "R7rnF6meu6PNMT7cYzno0nBfNPpDIlUJigMAJliZ1D7f7AELt+4kcBNTxFSMpkPB\n"
    "F2C0f8DHhGzKzTr2X2mQDVjwmOg4ctgYi2zWFFMBAoGAakSPMFBwPnTJ67G1BNzl\n"
    "LvjDi9PvVuSGTwL1+kmKTS4EHPimpjR8tBHkJ/psJc1NKeJQBi4m7A/zT2xjli0P\n"
    "e7teVICAG1ofTxtoQoLDm76r/yJ8OlD/fNGf1lzXo2S7pNHAimXioir1YTnkWrua\n"
    "xPI9AeSQvtdvizOsIvP76RY=\n"
    "-----END PRIVATE KEY-----\n";

static const char key_rsa_pkcs1[] =
    "-----BEGIN RSA PRIVATE KEY-----\n"
    "MIIEowIBAAKCAQEAyOXbCUZ5WsQ/4HIEnjGiB22LM1kpu0raaQ237YN78Q8wa+aP\n"
    "93qUxhwU3p5htMLwC06lbTbFKOj/UOcFaPJRcoQHJYSYAdz/gUQBB+V1sc/Moxf8\n"
    "8v2M2zuH5GBpMk6VZC9MWlGFlS4LU8qgYJszH0+QPJ9Nl5U1OM/OF+wPntjeHHbi\n"
    "A89Xhb1w18E/W2lHf60IzsHmrg14ERUtO+b2MpuL0Q1Y6v7iSueFx8iVi3ZV4m7v\n"
    "BQ8rCjUDMm+TfbOgWCvJOtHM4sxVbtHNIRa5zxSTcSrBEMyHv9ybVr3la6gA3o5c\n"
    "FC491ZkgOxqVlmAHmlYNomHd62adTC9bYbz3lQIDAQABAoIBABBRQ834TyrilfSf\n"
    "QNrvhENZsAIq8RM2byXewyHJJElDYacLSltrIF00p95Kxiaw5F9AE1AwWr8UqQje\n"
    "HCf2x0uc8oP8hdM1ldGJn5LPs1ROtkad+sHq0GTN1vRjVKVifCBadiIU4oZ9f6vd\n"
    "4VJkxg16QH3StkeZtdcINpYQqqvNDpAuNAQuGyG0WIVymbTLyVRQK2q7hbCodJHE\n"
    "+E5Jo5Xv7QAJF1rwqJx5kNTeNW6qIx30eiS7VSojgHL6e5Mi3XBo7UBuEFRSJSqD\n"
    "Ju0pQ39vkLdrjlHnpbQC2n0M0sZgjVClPA9SbHFB/i9Bc4Ade1GZc1zkntm4cxhG\n"
    "WIzt8bECgYEA6p+L223zUUgEj655/DOkTWL7vzoVuuwaj4E9TzyJ6OmoJOj8rTVj\n"
    "QLpCoOzQha4Yd8WHge4KkO1NzZ5wgpXIVMtKODyOg5cKOLvwByJNiY/qW+mOeCwm\n"
    "Mm130IGyIPILDVRP7STlx2aw/2Gvg0rXpmNubfV7yWITYWewkHKsJIUCgYEA2zOv\n"
    "PcsII2DRl5oOqYNWeHlh+dgd+S4Ef9Ru48rTPbn1nP0BRj6x2fJsbT6hbt2JIRbV\n"
    "+Mvf7Ks/rdmnS3gBxlM4gnz7tVM4yOkArwtK9U7R6XHBYm+mhDZdeWmQfrYbDGb+\n"
    "ZoH+ambCGRYg32DFOU5OCMwC52fDIT8f0pROu9ECgYBksQA2teM8uOmsODcF86vJ\n"
    "wndEREtbI0Tq3Y5QWSzelpig7pSyST1FZCqAIeID3QmHLXDQZDaIqC9B1YN3p4yI\n"
    "R46cv/BxrPqoCpAin6gjJ25u77dC/7+M2MoY4/BsjzQLDmoW3kT25K2FjIjkkdQn\n"
    "Bnk4G6h6bureXL+73lreeQKBgQDEBsSAjkEI4lyNJshV7440ztg/hnXHkM+VQXSp\n"
    "YYjnepWbfubU2txR++nbCFd1vcgUP0e65xepnrujzTE+3GM56NJwXzT6QyJVCYoD\n"
    "ACZYmdQ+3+wBC7fuJHATU8RUjKZDwRdgtH/Ax4Rsys069l9pkA1Y8JjoOHLYGIts\n"
    "1hRTAQKBgGpEjzBQcD50yeuxtQTc5S74w4vT71bkhk8C9fpJik0uBBz4pqY0fLQR\n"
    "5Cf6bCXNTSniUAYuJuwP809sY5YtD3u7XlSAgBtaH08baEKCw5u+q/8ifDpQ/3zR\n"
    "n9Zc16Nku6TRwIpl4qIq9WE55Fq7msTyPQHkkL7Xb4szrCLz++kW\n"
    "-----END RSA PRIVATE KEY-----\n";

static const char key_rsa_public[] =
    "-----BEGIN PUBLIC KEY-----\n"
    "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAyOXbCUZ5WsQ/4HIEnjGi\n"
    "B22LM1kpu0raaQ237YN78Q8wa+aP93qUxhwU3p5htMLwC06lbTbFKOj/UOcFaPJR\n"
    "coQHJYSYAdz/gUQBB+V1sc/Moxf88v2M2zuH5GBpMk6VZC9MWlGFlS4LU8qgYJsz\n"
    "H0+QPJ9Nl5U1OM/OF+wPntjeHHbiA89Xhb1w18E/W2lHf60IzsHmrg14ERUtO+b2\n"
    "MpuL0Q1Y6v7iSueFx8iVi3ZV4m7vBQ8rCjUDMm+TfbOgWCvJOtHM4sxVbtHNIRa5\n"
    "zxSTcSrBEMyHv9ybVr3la6gA3o5cFC491ZkgOxqVlmAHmlYNomHd62adTC9bYbz3\n"
    "lQIDAQAB\n"
    "-----END PUBLIC KEY-----\n";

static const char key_rsa_public_pkcs1[] =
    "-----BEGIN RSA PUBLIC KEY-----\n"
    "MIIBCgKCAQEAyOXbCUZ5WsQ/4HIEnjGiB22LM1kpu0raaQ237YN78Q8wa+aP93qU\n"
    "xhwU3p5htMLwC06lbTbFKOj/UOcFaPJRcoQHJYSYAdz/gUQBB+V1sc/Moxf88v2M\n"
    "2zuH5GBpMk6VZC9MWlGFlS4LU8qgYJszH0+QPJ9Nl5U1OM/OF+wPntjeHHbiA89X\n"
    "hb1w18E/W2lHf60IzsHmrg14ERUtO+b2MpuL0Q1Y6v7iSueFx8iVi3ZV4m7vBQ8r\n"
    "CjUDMm+TfbOgWCvJOtHM4sxVbtHNIRa5zxSTcSrBEMyHv9ybVr3la6gA3o5cFC49\n"
    "1ZkgOxqVlmAHmlYNomHd62adTC9bYbz3lQIDAQAB\n"
    "-----END RSA PUBLIC KEY-----\n";

static const char key_rsa_other[] =
    "-----BEGIN RSA PRIVATE KEY-----\n"
    "MIIEpAIBAAKCAQEArp7bhpGkV1B0gi9kFBUlA92I3e0PVZpvSAC2MbRIpAYSD5G4\n"
    "R/wP0wD5cYujr0iWekOrpQyJer6fQppFAknOsexYa/rFfoiVOBdsuy4GxwIf42hl\n"
    "i2AdGslP1QiQc8YRlgoo/C+2fc6iYk74jysqajvpkKe5oVvmRANu99lKyIUbU9PB\n"
    "87w0iGpLdqVsW2+Tsex7Gkkr1lm5g/vR+kYOz/1qVqm/6tdgSe+W9DpiMRIqR4Kk\n"
    "2jfqkPw5onReReVNS4kn7V9GhdVWPrWKzSZxVJXiNS4Fu8wRr5IVFxp5Vrg5lVS7\n"
    "IebFd3n/JCQdIk6c8CgKNRCMuutHnFdAs/SkGQIDAQABAoIBAAX3Kt2WIFS+90/9\n"
    "lvrBqICmjZcJUtFe7od5m2p8ySYuB+lswMHYIwvswq4l8gWvt5D95VavjuB43n97\n"
    "vjj1tQrqiFseAie7D5/5hY8qeMmihrIx6OrXRynuWodsXLpRIrIrGYXYtRsSAgWq\n"
    "QtRp9NppaWa1+CyX82NQ8Qukv9OJpr83QacI7f6NtGmYmtcxcIT3JkL+gnS4Cc9p\n"
    "VRelBarI4kouB1MbwuHQv9A1er7foxc+Mlh7kZ98enAnX95ATxPFQqIThbWTnmff\n"
    "yY/JKHUWKXirAdvzQB5/ZgxEGLocGSHSOXRkrfMiUnLFnxQspSPC0UO318m9RBdK\n"
    "yCXNJ/UCgYEA5vr2OWY3n0EBUanXlqRXDnVva97rjQ2yUUVmzanxFduZbn5j5Dhw\n"
    "+3ZAGkZ42zfkheFqFR06QeW5jCCN0eOTqqM9vUyP/g2PFNIPwmCygDgCI6NUM6CA\n"
    "CKxKtsadwP8T43FcLIrQxpqJPRwDykcQVeiY1BN8YZdCQsVwa2ED9A0CgYEAwYkM\n"
    "2PfJ2fPBoc8M/xUGAtJ5n1LBasVIEnJhnsDF8aFdFhG7H7lAKEsqlsgngWzxY3eC\n"
    "da+kTH6Koq/liS17jSvX7I6rO6b+LNMkSh25GZHle2nwUuDnY1yJ+fOp88kd5qXv\n"
    "lnnMnbkcciJ+MhU8eCFz+e+jOQNGyADerxFBMT0CgYEAkKVepmllsbxSqCJVWQgH\n"
    "YI2YPhQ2rHmETrLIg0jGKisANZq+0X+q+T5/PDUfoCCrYk/cT+aiwfurq54DUgpT\n"
    "QgvCMRaOIcm57Y7ywYYuom7woAK7Sy1aoJPMohNVXTQf71HhKB+ySH0kLnmpwfWo\n"
    "vDPR6RVe0fqYSxo7oXL6t80CgYEAmoZ52pbl9P76YN63yseXeBNjhoGF62E/bXMk\n"
    "XKQgqBAmCeP4W5kHD+UMST3gxSceCUQ3xw2JioYS3VjCVegZ2RrjmX5EXCm2kkW3\n"
    "mPHog/EIoKRyfUoTljMh+4/A5+Rx2mItTSFM7bYKb1r5FbX9BRH4ztu2oGPsVO7U\n"
    "3kVRnyUCgYBgQiCZvf81B2ZHwL0+I8LOs5eHhww+0JfufYklm3U3Q/QJhaIaTAsU\n"
    "u3X6W3Li0GTIdwcLVyagMNdoHfA7a4kGRwzb/LJ31bZosOF3JH8qp7vf3FR3TtOa\n"
    "b72vm2IjFsrseX30EWk4jl30agNgaPtv+4zHaaD0wgfK+B1wt7r//g==\n"
    "-----END RSA PRIVATE KEY-----\n";

static const char key_rsa_512[] =
    "-----BEGIN RSA PRIVATE KEY-----\n"
    "MIIBOwIBAAJBALuTkvy521DqTL3jCUnK4gXzjexxGb6WDQ3S6+40e1snbgKVY0Pv\n"
    "mEw0p9a+qPXmSBsK26hlqN61TtWPbTTb6zcCAwEAAQJAXJLAgCnZq1128mASPXD7\n"
    "i6Rf7skCw6SaXLAz8CPGnX1GknB6WQ0pnh+6RzkC2/8s8x5qPbF6NHHt6aNfVyrN\n"
    "AQIhAPTrshgVsHWCjhBWxhBGBXEiFTI5SpROCyBqMZavMPrRAiEAxA/NuirUzTeg\n"
    "MYAyxTlkSHxiRn8o0klFa/ACpoGI94cCIQDxyA/bWOYHS2flV1RV0loi8iuMliQ6\n"
    "vcScLllf0PkAUQIhAISwtWkjh7YDyZT20GWOPAKau+A+OyBmmmc8nm6WCF6NAiBw\n"
    "mUUPsCxX5HNDzIbuONC6Z76wkgbRx8kRzs9RtuSXvA==\n"
    "-----END RSA PRIVATE KEY-----\n";

static const char key_rsa_encrypted[] =
    "-----BEGIN ENCRYPTED PRIVATE KEY-----\n"
    "MIIBvTBXBgkqhkiG9w0BBQ0wSjApBgkqhkiG9w0BBQwwHAQINjM3Obv6A+4CAggA\n"
    "MAwGCCqGSIb3DQIJBQAwHQYJYIZIAWUDBAEqBBCi7kl6xRdFtDAWP2cCAgPiBIIB\n"
    "YEcLH6Q7LpCm6Gpw3M1o87014KeWTCuCjuht9G6bR55BlLzCvwevV9T4Gu2ouHUG\n"
    "xDQ1P5CMJZk+o0k4ka2HUjXdo1Z3DfimzZjoxhzliFaZUK/RZRppdzQHiP9kpadF\n"
    "u3J6d5KZLwUW+cWNFkD5vrv5ohfohB67qFPqXkvv3gvEqoPxJOvLuu04oMV8VioP\n"
    "4u1+MWLm94QcGOWfHSTJ2zvgeZzwziYBohlWPFPhynQh1GVumLui971iSRJk32Nm\n"
    "8yCYzD6HUmrAH436AgY+pzrsxR4Tiy4hdcELc9bv80SsAoZc37L3ZNu5/BsDsVuX\n"
    "KoK7Bmv2roI9Oul0Z1hX+rEjwmlgvoxpSpZFowVOUlDwgxgrTglDP+iM35cs63nL\n"
    "RMD6W/WY8ZIOzwrvPvfnlEXsCD9yKHjidIapJATYM55gPR3AbS5mXDHrJSIfBXIS\n"
    "I6fTqvWkB62BKILysHykHa8=\n"
    "-----END ENCRYPTED PRIVATE KEY-----\n";

static const char key_ed25519[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n"
    "-----END PRIVATE KEY-----\n";

static const char key_ed25519_public[] =
    "-----BEGIN PUBLIC KEY-----\n"
    "MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n"
    "-----END PUBLIC KEY-----\n";

static const char key_ec_p256[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg4DJBLwc9kh3SYuXE\n"
    "jCaaTEjjZ6StiPffgDCQQL5ZYmmhRANCAASKpjYZvgEZbU0tXgdhnCygdoHROqH3\n"
    "UdEvEV/zXTpDwyFX8LI4wEctiqBfkV0F2mLkUtKs5i5gjw3zIQFJ608A\n"
    "-----END PRIVATE KEY-----\n";
