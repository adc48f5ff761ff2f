using FluentValidation;
using Microsoft.Extensions.DependencyInjection;
using Millrace.Client;
using Millrace.Hosting;
using Millrace.Storage;
using Xunit;

namespace Millrace.FluentValidation.Tests;

public sealed class FluentValidationTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task AnInvalidMessage_IsRefused_WithEveryProblemOnItsLine()
    {
        await using var mill = await MillraceClient.OpenAsync("memory:", options => options.AddFluentValidator(new OrderValidator()), Token);

        var refusal = await Assert.ThrowsAsync<MessageValidationException>(async () =>
            await mill.Queue<Order>("orders").SendAsync(new Order("", new Customer("nonsense")), cancellationToken: Token));

        Assert.Equal("Order is not valid:\n  Number: must not be empty\n  Customer.Email: must be an address\n  Number: is taken", refusal.Message);
        await Assert.ThrowsAsync<QueueNotFoundException>(async () => await mill.Require<IQueueAdmin>().GetStatsAsync("orders", Token));
    }

    [Fact]
    public async Task WarningsDoNotCount()
    {
        await using var mill = await MillraceClient.OpenAsync("memory:", options => options.AddFluentValidator(new OrderValidator()), Token);

        var result = await mill.Queue<Order>("orders").SendAsync(new Order("warned", new Customer("a@b.c")), cancellationToken: Token);

        Assert.True(result.IsStored);
    }

    [Fact]
    public async Task AValidatorForOneQueue_LeavesOthersAlone()
    {
        await using var mill = await MillraceClient.OpenAsync(
            "memory:", options => options.ForQueue("strict", queue => queue.AddFluentValidator(new OrderValidator())), Token);
        var wrong = new Order("", new Customer("nonsense"));

        await Assert.ThrowsAsync<MessageValidationException>(async () => await mill.Queue<Order>("strict").SendAsync(wrong, cancellationToken: Token));
        Assert.True((await mill.Queue<Order>("lenient").SendAsync(wrong, cancellationToken: Token)).IsStored);
    }

    [Fact]
    public async Task OnReceipt_AnInvalidMessage_IsDeadLettered()
    {
        await using var mill = await MillraceClient.OpenAsync("memory:", options => options.AddFluentValidator(new OrderValidator()), Token);
        var store = mill.Require<IQueueStore>();
        await store.EnqueueAsync("orders", new[] { new Envelope("""{"number":"","customer":{"email":"a@b.c"}}"""u8.ToArray()) }, Memory<EnqueueResult>.Empty, Token);
        await using var worker = mill.Worker<Order>("orders", (_, _, _) => Task.CompletedTask);
        await worker.StartAsync(Token);

        await using var receiver = await store.OpenReceiverAsync("orders!dead", new ReceiverOptions(), Token);
        var dead = new Delivery[1];
        await receiver.LeaseAsync(dead, Timeout.InfiniteTimeSpan, Token);

        Assert.Equal("invalid", dead[0].Message.DeadLetter!.Reason);
        Assert.StartsWith("Order is not valid:\n  Number: must not be empty", dead[0].Message.DeadLetter!.LastError, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(null, "orders")]
    [InlineData("orders", "orders")]
    public async Task ABuilder_MakesTheValidatorFromItsServices(string? restrictedTo, string queue)
    {
        await using var services = new ServiceCollection()
            .AddMillrace("memory:", mill => mill.AddFluentValidator<Order, OrderValidator>(restrictedTo))
            .BuildServiceProvider();
        await services.OpenMillraceAsync(Token);

        await Assert.ThrowsAsync<MessageValidationException>(async () =>
            await services.GetRequiredService<MillraceClient>().Queue<Order>(queue).SendAsync(new Order("", new Customer("a@b.c")), cancellationToken: Token));
    }

    internal sealed record Customer(string Email);

    internal sealed record Order(string Number, Customer Customer);

    internal sealed class OrderValidator : AbstractValidator<Order>
    {
        public OrderValidator()
        {
            RuleFor(order => order.Number).NotEmpty().WithMessage("must not be empty");
            RuleFor(order => order.Customer.Email).EmailAddress().WithMessage("must be an address");
            RuleFor(order => order.Number).Must(number => number != "warned").WithMessage("is odd").WithSeverity(Severity.Warning);

            // A rule that asks elsewhere: it makes the whole validator asynchronous.
            RuleFor(order => order.Number).MustAsync(async (number, token) =>
            {
                await Task.Yield();
                return number.Length > 0;
            }).WithMessage("is taken");
        }
    }
}
