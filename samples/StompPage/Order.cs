namespace StompPage;

/// <summary>What the page sends to the queue <c>orders</c>.</summary>
/// <param name="Id">The page's own number of it.</param>
/// <param name="Page">Which page it came from: its answer goes to the topic <c>fills.{Page}</c>.</param>
/// <param name="Symbol">What to buy.</param>
/// <param name="Pieces">How many.</param>
internal sealed record Order(int Id, string Page, string Symbol, int Pieces);
