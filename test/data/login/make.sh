#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
#
# make.sh - make the certificates and keys that test/unit/test_credential.c logs in with, in the forms people have them.
# They are public: trust none. The results are committed, with dates far away, so that tests need no openssl and do not
# depend on the day. Run it again (in this directory, with openssl 3) only to add or change one; that changes all of them.
#
# The password is "hunter2" everywhere but in empty.p12, where it is "".
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
rm -f ./*.pem ./*.der ./*.key ./*.p12 ./*.sig

rsa()	# rsa NAME BITS
{
	openssl genpkey -algorithm RSA -pkeyopt "rsa_keygen_bits:$2" -out "$1.key" 2> /dev/null
}

# certify NAME START END: NAME.pem for NAME.key, signed by itself
certify()
{
	: > "$work/index"
	echo 01 > "$work/serial"
	{
		printf '[ca]\ndefault_ca=d\n[d]\ndatabase=%s/index\nserial=%s/serial\nnew_certs_dir=%s\n' "$work" "$work" "$work"
		printf 'policy=p\nunique_subject=no\nx509_extensions=e\n[p]\ncommonName=supplied\n[e]\nbasicConstraints=CA:FALSE\n'
		printf '[req]\ndistinguished_name=n\n[n]\n'
	} > "$work/conf"
	openssl req -new -key "$1.key" -subj "/CN=$1" -config "$work/conf" -out "$work/req" 2> /dev/null
	openssl ca -batch -notext -config "$work/conf" -in "$work/req" -out "$1.pem" -startdate "$2" -enddate "$3" -md sha256 \
		-selfsign -keyfile "$1.key" 2> "$work/err" || { cat "$work/err" >&2; exit 1; }
}

long_ago=20200101000000Z
past=20200201000000Z
far=21260101000000Z
key=alice.key
hidden='-passout pass:hunter2'

rsa alice 2048
certify alice $long_ago $far
rsa expired 1024
certify expired $long_ago $past
for bits in 1024 1536 2047 3072 4096; do
	rsa rsa$bits $bits
	certify rsa$bits $long_ago $far
done
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out ec.key 2> /dev/null
certify ec $long_ago $far
openssl ec -in ec.key -out ec-sec1.key 2> /dev/null

# --- the certificate in other forms: with its key, with others in front and behind
cat alice.pem $key > both.pem
cat ec.pem rsa1024.pem alice.pem rsa3072.pem > chain.pem
openssl x509 -in alice.pem -outform DER -out alice.der

# --- the key in other forms
openssl rsa -in $key -traditional -out pkcs1.key 2> /dev/null
openssl rsa -in $key -traditional -outform DER -out pkcs1.der 2> /dev/null
openssl pkcs8 -in $key -topk8 -nocrypt -outform DER -out pkcs8.der
pkcs8()	# pkcs8 NAME OPTIONS...
{
	name=$1
	shift
	# shellcheck disable=SC2086
	openssl pkcs8 -in $key -topk8 $hidden -out "$name.key" "$@"
}
pkcs8 aes256 -v2 aes-256-cbc
pkcs8 aes256-sha1 -v2 aes-256-cbc -v2prf hmacWithSHA1
pkcs8 aes256-sha512 -v2 aes-256-cbc -v2prf hmacWithSHA512
pkcs8 aes128 -v2 aes-128-cbc
pkcs8 aes192 -v2 aes-192-cbc
pkcs8 des3 -v2 des3
pkcs8 v1-des3 -v1 PBE-SHA1-3DES
pkcs8 scrypt -scrypt
pkcs8 many -v2 aes-256-cbc -iter 2000001
# shellcheck disable=SC2086
openssl pkcs8 -in $key -topk8 $hidden -outform DER -v2 aes-256-cbc -out aes256.der
for cipher in aes128 aes192 aes256 des3 camellia256; do
	# shellcheck disable=SC2086
	openssl rsa -in $key -traditional -$cipher $hidden -out old-$cipher.key 2> /dev/null
done

# --- PKCS #12
p12()	# p12 NAME PASSWORD OPTIONS...
{
	name=$1 password=$2
	shift 2
	openssl pkcs12 -export -inkey $key -in alice.pem -name alice -passout "pass:$password" -out "$name.p12" "$@"
}
p12 modern hunter2
p12 modern-chain hunter2 -certfile chain.pem
p12 windows hunter2 -keypbe AES-256-CBC -certpbe AES-256-CBC -macalg sha256
p12 old hunter2 -legacy
p12 old-des3 hunter2 -certpbe PBE-SHA1-3DES -keypbe PBE-SHA1-3DES -macalg sha1
p12 old-rc2-128 hunter2 -legacy -certpbe PBE-SHA1-RC2-128 -keypbe PBE-SHA1-3DES -macalg sha1
p12 aes192 hunter2 -certpbe AES-192-CBC -keypbe AES-192-CBC
p12 empty ''
p12 umlaut 'hünter2'
p12 many hunter2 -iter 2000001
openssl pkcs12 -export -nokeys -in alice.pem -passout pass:hunter2 -out no-key.p12
openssl pkcs12 -export -nocerts -inkey $key -passout pass:hunter2 -out no-cert.p12

chmod 644 ./*.key ./*.der ./*.p12

# --- what a login signs: SHA-1 of the bytes 00 to 13, by openssl
i=0
while [ $i -lt 20 ]; do
	printf "\\$(printf '%03o' $i)"
	i=$((i + 1))
done > "$work/challenge"
for name in alice rsa1024 rsa1536 rsa3072 rsa4096; do
	openssl dgst -sha1 -sign $name.key -out $name.sig "$work/challenge"
done
