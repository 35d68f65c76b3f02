/** How a formula holds; 0: it does not. What holds in both ways holds with a scalar, which is worth more. */

/** Something in the record satisfies it. */
export const WITH_SCALAR = 1
/** Nothing is where it looks, and it is satisfied by that. */
export const BY_ABSENCE = 2
