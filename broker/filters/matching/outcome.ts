/** How a formula holds, as bits; 0: it does not. Both may be. */

/** Something in the record satisfies it. */
export const WITH_SCALAR = 1
/** Nothing is where it looks, and it is satisfied by that. */
export const BY_ABSENCE = 2
