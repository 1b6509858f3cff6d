/* SPDX-License-Identifier: GPL-3.0-or-later */
/* user_settings.h - how wolfSSL is built here.
 *
 * Only preprocessor lines: the assembly files include this too. A client that speaks TLS 1.2 and 1.3, checks
 * certificates strictly and never does I/O by itself; the server side stays in for the tests. What wolfSSL calls
 * OPENSSL_EXTRA (a second interface, with looser defaults in places) stays out. */
#ifndef SOFTSOCKS_USER_SETTINGS_H
#define SOFTSOCKS_USER_SETTINGS_H

/* ---- platform ---- */
#define SINGLE_THREADED                 /* one thread uses TLS: no locks */
#define WOLFSSL_USER_IO                 /* TLS runs on memory; no default callback may touch a socket, or fetch OCSP by itself */
#define WOLFSSL_GETRANDOM               /* seed of the random generator: getrandom(2), no file descriptor needed */
#define HAVE_HASHDRBG                   /* NIST SP 800-90A generator on top of that seed */
#define HAVE_GMTIME_R
#define HAVE_STRINGS_H
#define HAVE_UNISTD_H
#define HAVE_LIMITS_H
#define HAVE_ERRNO_H
#define HAVE_SYS_TIME_H
#define WC_NO_ASYNC_THREADING
#define WOLFSSL_IGNORE_FILE_WARN        /* the source list is ours; files that are empty here may say nothing about it */
#define NO_MAIN_DRIVER

/* ---- speed: assembly is chosen at run time by cpuid, so one binary fits every x86-64 ---- */
#if defined(__x86_64__) && !defined(SOFTSOCKS_NO_ASM) /* make ASM=no: as on any other machine, for tests */
#define WOLFSSL_X86_64_BUILD
#define USE_INTEL_SPEEDUP               /* AVX1/AVX2: SHA-2, ChaCha20, Poly1305, AES-GCM, X25519 */
#define WOLFSSL_AESNI                   /* measured: AES-256-GCM at GB/s instead of 150 MB/s */
#define WOLFSSL_SP_X86_64_ASM           /* RSA, DH and P-256/384/521 */
#endif
#if defined(__SIZEOF_INT128__)
#define HAVE___UINT128_T
#endif
#define GCM_TABLE_4BIT                  /* where there is no AES-NI: small tables, less cache-timing leakage than 8 bit */
#define WOLFSSL_HAVE_SP_RSA             /* single-precision arithmetic, constant time, for the usual sizes ... */
#define WOLFSSL_HAVE_SP_DH
#define WOLFSSL_HAVE_SP_ECC
#define WOLFSSL_SP_384
#define WOLFSSL_SP_521
#define WOLFSSL_SP_4096
#define WOLFSSL_SP_MATH_ALL             /* ... and multi-precision for all others, */
#define SP_INT_BITS 4096                /* up to RSA-4096: longer keys are not seen and cost every stack frame */
#define ECC_TIMING_RESISTANT
#define TFM_TIMING_RESISTANT
#define WC_RSA_BLINDING

/* ---- TLS ---- */
#define WOLFSSL_TLS13
#define HAVE_TLS_EXTENSIONS
#define HAVE_SUPPORTED_CURVES
#define HAVE_SNI
#define HAVE_ALPN
#define HAVE_EXTENDED_MASTER
#define HAVE_ENCRYPT_THEN_MAC
#define HAVE_RENEGOTIATION_INDICATION   /* RFC 5746: say that we never renegotiate unsafely; some servers insist */
#define NO_TLS12_SHA1_SIGNATURES        /* RFC 9155 (our patch 0003) */
#define HAVE_SESSION_TICKET             /* cheap resumption for the extra TCP connections of one session */
#define HAVE_KEYING_MATERIAL            /* RFC 5705 exporter: EAP-TLS and PEAP keys */
#define HAVE_SECRET_CALLBACK            /* --keylog */
#define WOLFSSL_ALLOW_TLSV10            /* compiled in, off unless --tls-min asks: old servers exist */
#define WOLFSSL_EXTRA_ALERTS            /* say why when we refuse, the server's log needs it */
#define WOLFSSL_TLS13_MIDDLEBOX_COMPAT  /* RFC 8446, D.4: looks like TLS 1.2 to boxes that know nothing newer */
#define MICRO_SESSION_CACHE             /* tls.c switches the cache off (it cannot be compiled out together with tickets) */
#define WOLFSSL_STATIC_RSA              /* SoftEther 4.0 to 4.2 have little else; not in our cipher list by default */
#define NO_DES3_TLS_SUITES              /* DES is for MS-CHAP only, */
#define NO_RC4_TLS_SUITES               /* RC4 for SoftEther's UDP version 1 only (our patch 0002) */
#define NO_PSK
#define NO_DSA

/* ---- certificates ---- */
#define WOLFSSL_ALWAYS_VERIFY_CB        /* tls.c decides in the verify callback, so it must be called for good ones too */
#define WOLFSSL_ALT_NAMES
#define WOLFSSL_IP_ALT_NAME             /* names that are addresses must match an address entry */
#define WOLFSSL_ALLOW_SERIAL_ZERO       /* SoftEther's default certificate has serial 0; our patch 0001 lifts this check only */
#define WOLFSSL_SUBJ_DIR_ATTR
#define HAVE_OCSP
#define HAVE_CRL
#define HAVE_CERTIFICATE_STATUS_REQUEST     /* stapling, TLS 1.2 and 1.3 */
#define HAVE_CERTIFICATE_STATUS_REQUEST_V2
#define WOLFSSL_PEM_TO_DER
#define WOLFSSL_DER_TO_PEM
#define WOLFSSL_ENCRYPTED_KEYS          /* PEM keys with a passphrase */
#define WOLFSSL_CERT_EXT
#define WOLFSSL_CERT_GEN                /* the tests make their own certificates; unused code is not linked */
#define WOLFSSL_KEY_GEN
#define HAVE_PKCS8
#define HAVE_PKCS12                     /* --p12; Windows writes these, */
#define WC_RC2                          /* and older ones encrypt the certificate with RC2-40 */

/* ---- ciphers and hashes ---- */
#define HAVE_AES_CBC
#define HAVE_AESGCM
#define HAVE_AES_ECB
#define WOLFSSL_AES_DIRECT              /* CMAC */
#define WOLFSSL_AES_COUNTER
#define WOLFSSL_CMAC
#define HAVE_CHACHA
#define HAVE_POLY1305
#define HAVE_ECC
#define HAVE_ECC384
#define HAVE_ECC521
#define ECC_SHAMIR
#define HAVE_CURVE25519
#define HAVE_ED25519
#define HAVE_HKDF
#define HAVE_FFDHE_2048
#define HAVE_FFDHE_3072
#define HAVE_DH_DEFAULT_PARAMS
#define WC_RSA_PSS
#define WOLFSSL_PSS_LONG_SALT
#define WOLFSSL_SHA224
#define WOLFSSL_SHA384
#define WOLFSSL_SHA512
#define WOLFSSL_MD4                     /* MS-CHAPv2, NTLM, SoftEther's SHA-0 relatives; MD5 and SHA-1 are on by default */
#define WOLFSSL_DES_ECB                 /* MS-CHAPv2's challenge response */
#define WOLFSSL_ALLOW_RC4               /* SoftEther UDP acceleration version 1 */

#endif
