#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
#
# make.sh - make the certificates that test/unit/test_tls.c and others use. Their private keys are public: trust none.
# The results are committed, with dates far away, so that tests need no openssl and do not depend on the day. Run it
# again (in this directory, with openssl 3) only to add or change one.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
rm -f ./*.pem ./*.key

long_ago=20200101000000Z
past=20200201000000Z
far=21260101000000Z
very_far=21270101000000Z

key()	# key NAME OPENSSL-GENPKEY-ARGS...
{
	name=$1
	shift
	openssl genpkey -out "$name.key" "$@" 2> /dev/null
}

# issue NAME KEY ISSUER SUBJECT START END [EXTENSION...]: NAME.pem, signed by ISSUER.pem/.key (or itself: "self").
# Environment: DIGEST (sha256), SERIAL (hex)
serial=1000
issue()
{
	name=$1 key=$2 issuer=$3 subject=$4 start=$5 end=$6
	shift 6
	serial=$((serial + 1))
	: > "$work/index"
	echo "${SERIAL:-$serial}" > "$work/serial"
	{
		printf '[ca]\ndefault_ca=d\n[d]\ndatabase=%s/index\nserial=%s/serial\nnew_certs_dir=%s\n' "$work" "$work" "$work"
		printf 'policy=p\nunique_subject=no\nemail_in_dn=no\nx509_extensions=e\n'
		printf '[p]\ncommonName=optional\norganizationName=optional\norganizationalUnitName=optional\ncountryName=optional\n'
		printf '[e]\n'
		printf '%s\n' "$@"
		printf '[req]\ndistinguished_name=n\n[n]\n'
	} > "$work/conf"
	openssl req -new -key "$key.key" -subj "$subject" -config "$work/conf" -out "$work/req" 2> /dev/null
	if [ "$issuer" = self ]; then
		set -- -selfsign -keyfile "$key.key"
	else
		set -- -cert "$issuer.pem" -keyfile "$(cat "$work/key-of-$issuer").key"
	fi
	openssl ca -batch -notext -preserveDN -config "$work/conf" -in "$work/req" -out "$name.pem" -startdate "$start" -enddate "$end" \
		-md "${DIGEST:-sha256}" "$@" 2> "$work/err" || { cat "$work/err" >&2; exit 1; }
	echo "$key" > "$work/key-of-$name"
}

ca='basicConstraints=critical,CA:TRUE'
ca_use='keyUsage=critical,keyCertSign,cRLSign'
ids='subjectKeyIdentifier=hash'
aki='authorityKeyIdentifier=keyid'
leaf='basicConstraints=CA:FALSE'
vpn='subjectAltName=DNS:vpn.example.com'
server='extendedKeyUsage=serverAuth'

key rsa -algorithm RSA -pkeyopt rsa_keygen_bits:2048
key rsa1024 -algorithm RSA -pkeyopt rsa_keygen_bits:1024
key ec -algorithm EC -pkeyopt ec_paramgen_curve:P-256
key ed -algorithm ED25519
key root -algorithm RSA -pkeyopt rsa_keygen_bits:2048
key middle -algorithm EC -pkeyopt ec_paramgen_curve:P-384

# --- CAs
issue ca root self "/CN=softsocks test CA" $long_ago $very_far "$ca" "$ca_use" "$ids"
issue other-ca rsa self "/CN=some other CA" $long_ago $very_far "$ca" "$ca_use" "$ids"
# The same name as ca, another key: whoever looks at names only is fooled.
issue twin-ca rsa self "/CN=softsocks test CA" $long_ago $very_far "$ca" "$ca_use" "$ids"
issue expired-ca root self "/CN=softsocks expired CA" $long_ago $past "$ca" "$ca_use" "$ids"
issue sub-ca middle ca "/CN=softsocks intermediate" $long_ago $very_far "$ca" "$ca_use" "$ids" "$aki"
issue sub-ca-cross middle other-ca "/CN=softsocks intermediate" $long_ago $very_far "$ca" "$ca_use" "$ids" "$aki"
issue sub-ca-expired middle ca "/CN=softsocks expired intermediate" $long_ago $past "$ca" "$ca_use" "$ids" "$aki"
issue sub-ca-len0 middle ca "/CN=softsocks last intermediate" $long_ago $very_far "$ca,pathlen:0" "$ca_use" "$ids" "$aki"
issue below-len0 ec sub-ca-len0 "/CN=one intermediate too many" $long_ago $very_far "$ca" "$ca_use" "$ids" "$aki"
issue sub-ca-nosign middle ca "/CN=softsocks CA that may not sign" $long_ago $very_far "$ca" "keyUsage=critical,digitalSignature" "$ids" "$aki"
issue sub-ca-clients middle ca "/CN=softsocks CA for clients" $long_ago $very_far "$ca" "$ca_use" "extendedKeyUsage=clientAuth" "$ids" "$aki"
issue sub-ca-org middle ca "/CN=softsocks CA for example.org" $long_ago $very_far "$ca" "$ca_use" "$ids" "$aki" \
	"nameConstraints=critical,permitted;DNS:example.org"
issue sub-ca-com middle ca "/CN=softsocks CA for example.com" $long_ago $very_far "$ca" "$ca_use" "$ids" "$aki" \
	"nameConstraints=critical,permitted;DNS:example.com,excluded;DNS:no.example.com"
issue sub-ca-net middle ca "/CN=softsocks CA for 192.0.2.0" $long_ago $very_far "$ca" "$ca_use" "$ids" "$aki" \
	"nameConstraints=critical,permitted;IP:192.0.2.0/255.255.255.0"
issue below-org ec sub-ca-org "/CN=unconstrained itself" $long_ago $very_far "$ca" "$ca_use" "$ids" "$aki"

# Eight CAs with one name and one key: each could have signed each.
for i in 1 2 3 4 5 6 7 8; do
	issue mesh-$i ec self "/CN=softsocks mesh" $long_ago $very_far "$ca" "$ca_use" "$ids"
done

# --- servers
many='subjectAltName=DNS:vpn.example.com,DNS:*.wild.example.com,DNS:*.com,DNS:w*.part.example.com,IP:192.0.2.1,IP:2001:db8::1'
issue good rsa ca "/CN=not a name" $long_ago $far "$leaf" "$many" "$server" "$ids" "$aki"
issue good-ec ec ca "/CN=vpn.example.com" $long_ago $far "$leaf" "$vpn" "$ids" "$aki"
issue good-ed ed ca "/CN=vpn.example.com" $long_ago $far "$leaf" "$vpn" "$ids" "$aki"
issue good-below rsa sub-ca "/CN=vpn.example.com" $long_ago $far "$leaf" "$vpn" "$ids" "$aki"
issue expired rsa ca "/CN=vpn.example.com" $long_ago $past "$leaf" "$vpn" "$ids" "$aki"
issue not-yet rsa ca "/CN=vpn.example.com" $far $very_far "$leaf" "$vpn" "$ids" "$aki"
issue below-expired rsa sub-ca-expired "/CN=vpn.example.com" $long_ago $far "$leaf" "$vpn" "$ids" "$aki"
issue by-expired-ca rsa expired-ca "/CN=vpn.example.com" $long_ago $far "$leaf" "$vpn" "$ids" "$aki"
issue wrong-name rsa ca "/CN=vpn.example.com" $long_ago $far "$leaf" "subjectAltName=DNS:mail.example.com,DNS:www.example.com" "$ids" "$aki"
issue email-only rsa ca "/CN=vpn.example.com" $long_ago $far "$leaf" "subjectAltName=email:vpn@example.com" "$ids" "$aki"
# addresses of 0 and 3 bytes, an empty name; a name with a NUL in it, "*.", ".", "*..example.com"
issue odd-ip rsa ca "/CN=vpn.example.com" $long_ago $far "$leaf" "subjectAltName=DER:30:09:87:00:87:03:c0:00:02:82:00" "$ids" "$aki"
issue odd-dns rsa ca "/CN=vpn.example.com" $long_ago $far "$leaf" \
	"subjectAltName=DER:30:36:82:1d:76:70:6e:2e:65:78:61:6d:70:6c:65:2e:63:6f:6d:00:2e:65:76:69:6c:2e:65:78:61:6d:70:6c:65:82:02:2a:2e:82:01:2e:82:0e:2a:2e:2e:65:78:61:6d:70:6c:65:2e:63:6f:6d" "$ids" "$aki"
issue cn-only rsa ca "/CN=vpn.example.com" $long_ago $far "$leaf" "$ids" "$aki"
issue cn-ip rsa ca "/CN=192.0.2.7" $long_ago $far "$leaf" "$ids" "$aki"
issue for-clients rsa ca "/CN=vpn.example.com" $long_ago $far "$leaf" "$vpn" "extendedKeyUsage=clientAuth" "$ids" "$aki"
issue encipher-only rsa ca "/CN=vpn.example.com" $long_ago $far "$leaf" "$vpn" "keyUsage=critical,keyEncipherment" "$ids" "$aki"
issue critical rsa ca "/CN=vpn.example.com" $long_ago $far "$leaf" "$vpn" "1.3.6.1.4.1.99999.1=critical,ASN1:UTF8String:unknown" "$ids" "$aki"
issue revoked rsa ca "/CN=vpn.example.com" $long_ago $far "$leaf" "$vpn" "$ids" "$aki"
revoked_serial=$serial
issue by-len0 rsa below-len0 "/CN=vpn.example.com" $long_ago $far "$leaf" "$vpn" "$ids" "$aki"
issue by-len0-directly rsa sub-ca-len0 "/CN=vpn.example.com" $long_ago $far "$leaf" "$vpn" "$ids" "$aki"
issue by-nosign rsa sub-ca-nosign "/CN=vpn.example.com" $long_ago $far "$leaf" "$vpn" "$ids" "$aki"
issue by-leaf rsa good-ec "/CN=vpn.example.com" $long_ago $far "$leaf" "$vpn" "$ids" "$aki"
issue by-clients rsa sub-ca-clients "/CN=vpn.example.com" $long_ago $far "$leaf" "$vpn" "$ids" "$aki"
issue by-org rsa sub-ca-org "/CN=vpn.example.com" $long_ago $far "$leaf" "$vpn" "$ids" "$aki"
issue by-below-org rsa below-org "/CN=vpn.example.com" $long_ago $far "$leaf" "$vpn" "$ids" "$aki"
issue by-com rsa sub-ca-com "/CN=vpn.example.com" $long_ago $far "$leaf" \
	"subjectAltName=DNS:vpn.example.com,DNS:evilexample.com,DNS:a.no.example.com" "$ids" "$aki"
issue by-net rsa sub-ca-net "/CN=vpn" $long_ago $far "$leaf" "subjectAltName=IP:192.0.2.9,IP:198.51.100.9" "$ids" "$aki"
issue by-twin rsa twin-ca "/CN=vpn.example.com" $long_ago $far "$leaf" "$vpn" "$ids"
issue by-other rsa other-ca "/CN=vpn.example.com" $long_ago $far "$leaf" "$vpn" "$ids" "$aki"
issue by-mesh rsa mesh-1 "/CN=vpn.example.com" $long_ago $far "$leaf" "$vpn" "$ids" "$aki"
issue nothing-right rsa other-ca "/CN=www.example.com" $long_ago $past "$leaf" "subjectAltName=DNS:www.example.com" "$ids" "$aki"
DIGEST=sha1 issue by-sha1 rsa ca "/CN=vpn.example.com" $long_ago $far "$leaf" "$vpn" "$ids" "$aki"
issue small rsa1024 ca "/CN=vpn.example.com" $long_ago $far "$leaf" "$vpn" "$ids" "$aki"

# --- self-signed, as SoftEther's server makes them: CA:TRUE, serial 0, no alternative name
se_use='keyUsage=critical,digitalSignature,nonRepudiation,keyEncipherment,dataEncipherment,keyCertSign,cRLSign'
SERIAL=00 issue softether rsa self "/CN=vpn.example.com/O=vpn.example.com/OU=vpn.example.com/C=US" $long_ago $far "$ca" "$se_use" \
	"extendedKeyUsage=serverAuth,clientAuth,codeSigning,emailProtection"
SERIAL=00 DIGEST=sha1 issue softether-old rsa1024 self "/CN=vpn.example.com/O=vpn.example.com/OU=vpn.example.com/C=US" $long_ago $far "$ca"
issue self rsa self "/CN=vpn.example.com" $long_ago $far "$leaf" "$vpn"
issue self-certsign rsa self "/CN=vpn.example.com" $long_ago $far "$leaf" "$vpn" "keyUsage=digitalSignature,keyCertSign"
issue self-expired rsa self "/CN=vpn.example.com" $long_ago $past "$leaf" "$vpn"

# --- for servers of old: a group of 2048 bits, and one that is too small
openssl genpkey -genparam -algorithm DH -pkeyopt group:ffdhe2048 -out dh2048.pem
openssl dhparam -out dh1024.pem 1024 2> /dev/null

# --- made from others
damage()	# damage FROM TO: the last byte of the signature changed
{
	openssl x509 -in "$1.pem" -outform DER -out "$work/der"
	size=$(wc -c < "$work/der")
	last=$(tail -c 1 "$work/der" | od -An -tu1 | tr -d ' ')
	{ head -c $((size - 1)) "$work/der"; printf "\\$(printf %o $(((last + 1) % 256)))"; } > "$work/der2"
	{ echo "-----BEGIN CERTIFICATE-----"; base64 -w 64 "$work/der2"; echo "-----END CERTIFICATE-----"; } > "$2.pem"
}
damage good bad-signature
damage expired bad-signature-expired

: > "$work/index"
printf 'R\t%s\t%s\t%s\tunknown\t/CN=vpn.example.com\n' "${far#20}" "${past#20}" "$(printf %s "$revoked_serial")" > "$work/index"
echo 01 > "$work/crlnumber"
printf '[ca]\ndefault_ca=d\n[d]\ndatabase=%s/index\ncrlnumber=%s/crlnumber\n' "$work" "$work" > "$work/conf"
openssl ca -gencrl -config "$work/conf" -cert ca.pem -keyfile root.key -md sha256 -crl_lastupdate $long_ago -crl_nextupdate $very_far \
	-out crl.pem
openssl ca -gencrl -config "$work/conf" -cert ca.pem -keyfile root.key -md sha256 -crl_lastupdate $long_ago -crl_nextupdate $past \
	-out crl-stale.pem
openssl x509 -in ca.pem -outform DER -out ca.der
