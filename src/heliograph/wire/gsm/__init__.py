"""GSM text: alphabet, parts, headers, transliteration (3GPP TS 23.038 and 23.040)."""
