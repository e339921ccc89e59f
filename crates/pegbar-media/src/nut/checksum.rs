//! The checksum of packets: CRC-32 with generator polynomial 0x04C11DB7, most significant bit first, starting from 0,
//! not inverted at the end. A packet followed by its checksum sums to 0.

const TABLE: [u32; 256] = table();

const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut i = 0;
    while i < 256 {
        let mut crc = (i as u32) << 24;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 0x8000_0000 != 0 { (crc << 1) ^ 0x04C1_1DB7 } else { crc << 1 };
            bit += 1;
        }
        table[i] = crc;
        i += 1;
    }
    table
}

/// Carries a checksum on over more bytes.
pub(super) fn update(crc: u32, bytes: &[u8]) -> u32 {
    bytes.iter().fold(crc, |crc, &byte| (crc << 8) ^ TABLE[((crc >> 24) as u8 ^ byte) as usize])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_with_its_checksum_sums_to_zero() {
        let crc = update(0, b"123456789");
        // CRC-32 of this kind (poly 04C11DB7, init 0, no reflection, xorout FFFFFFFF is "CRC-32/CKSUM" without length).
        assert_eq!(crc, 0x89A1_897F);
        assert_eq!(update(crc, &crc.to_be_bytes()), 0);
    }
}
