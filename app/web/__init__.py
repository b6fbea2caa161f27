"""What stands between the network and the page: who is let in, which requests are answered, and at what cost.

A request passes, in this order, and is refused at the first that does not let it through (`answers` has the words):

1. `listening` and `connections`: how many connections there may be, and how long each may wait;
2. `hosts`: the name that was asked for, and the site that asks;
3. `tokens`: outside of this machine, the token of the printed address; `door`: where there are accounts, whose it is;
4. `routes`: the list of all that the page uses; everything else that the framework could do is not there;
5. `bodies`: how much may come, in what time and form; `uploads` for files;
6. `calls`: whether this page could have made that call of a function; `page` looks at what comes before Gradio does.

`gate` puts that together. `frontend` sends the page and Gradio's scripts, without what is done over and over.
`sessions` bounds what is remembered of open pages, `cache` what lies on the disk on its way. All numbers come from
`foundation.limits`.

A new route of Gradio's that the page needs is a line in `routes`; a new threat that is met gets a row, with its test,
in docs/threat-model.md."""
