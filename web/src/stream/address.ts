/** An IP address in its one canonical spelling; null where the text is no address, but a name. */
export function addressOf(text: string): string | null {
  if (/^\d{1,3}(\.\d{1,3}){3}$/.test(text)) return text.split('.').every((part) => String(Math.min(255, Number(part))) === part) ? text : null
  if (!/^[\da-f.]*:[\da-f:.]*$/i.test(text)) return null
  try {
    return new URL(`http://[${text}]`).hostname.slice(1, -1)
  } catch {
    return null
  }
}
