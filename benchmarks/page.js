// Drops a picture on the page, as a person would. Returns milliseconds since the drop: until the first hit's text was
// drawn, until the pictures of the first row of hits were, and when each request began and was answered.
async ({ data, wait }) => {
  const hits = () => [...document.querySelectorAll("[data-test=hit]")]
  const firstRow = () => hits().filter((hit, _, all) => Math.abs(hit.offsetTop - all[0].offsetTop) < 2)
  const shown = image => image.complete && image.naturalWidth > 0
  const drawn = () => new Promise(done => requestAnimationFrame(() => setTimeout(() => done(performance.now()))))

  const until = (what, holds) => new Promise((done, failed) => {
    const tooLate = setTimeout(() => failed(new Error(`no ${what} within ${wait} ms`)), wait)
    const check = () => {
      if (!holds()) return
      clearTimeout(tooLate)
      changes.disconnect()
      document.removeEventListener("load", check, true)
      drawn().then(done)
    }
    const changes = new MutationObserver(check)
    changes.observe(document, { subtree: true, childList: true })
    document.addEventListener("load", check, true) // of pictures
    check()
  })

  const carried = new DataTransfer()
  const bytes = Uint8Array.from(atob(data), letter => letter.charCodeAt(0))
  carried.items.add(new File([bytes], "dropped.jpg", { type: "image/jpeg" }))
  performance.clearResourceTimings()
  const began = performance.now()
  const drop = new DragEvent("drop", { dataTransfer: carried, bubbles: true, cancelable: true })
  document.querySelector("[data-test=drop]").dispatchEvent(drop)
  const answeredAt = await until("answer", () => hits()[0]?.textContent.trim())
  const picturedAt = await until("pictures", () => firstRow().every(hit => [...hit.querySelectorAll("img")].every(shown)))
  const requests = performance.getEntriesByType("resource").filter(one => one.initiatorType === "fetch")
  return {
    answer: answeredAt - began,
    pictures: picturedAt - began,
    requests: requests.map(one => [new URL(one.name).pathname, one.startTime - began, one.responseEnd - began]),
  }
}
