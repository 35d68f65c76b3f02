/** What the client calls itself in its greeting. */
export const CLIENT_VERSION = '0.1.0'
