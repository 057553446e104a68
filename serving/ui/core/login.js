/** Who is logged in, if the service asks for keys. */

import { by } from "./dom.js"

/** The service sets this cookie next to the one that holds the key, which no script reads. */
const NAME = "lookalike_name="

export function begin() {
  const cookie = document.cookie.split("; ").find(one => one.startsWith(NAME))
  by("logout").hidden = !cookie
  if (cookie) by("logout").title = `Logged in as ${decodeURIComponent(cookie.slice(NAME.length))}`
}

/** The key was revoked, or the cookie is gone: the service then answers with the page that asks for a key. */
export const again = () => location.reload()
