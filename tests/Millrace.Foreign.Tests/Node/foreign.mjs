// Has headless Chromium open a WebSocket from a page: node foreign.mjs CHROMIUM PAGE SOCKET
import { chromium } from "playwright-core";
import { say } from "./broker.mjs";

const [executablePath, url, socket] = process.argv.slice(2);
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"] });
const page = await browser.newPage();
await page.goto(url);
say({
  outcome: await page.evaluate(
    socket =>
      new Promise(resolve => {
        const attempt = new WebSocket(socket, ["v12.stomp"]);
        attempt.onopen = () => resolve("open");
        attempt.onerror = () => resolve("refused");
      }),
    socket,
  ),
});
await browser.close();
process.exit(0);
