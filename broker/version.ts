/** What the server calls itself, in hello, status and on its page. */
export const SERVER_VERSION = '0.1.0'
export const SOFTWARE = `octopus/${SERVER_VERSION}`
