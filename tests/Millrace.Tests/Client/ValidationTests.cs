using System.ComponentModel.DataAnnotations;
using Millrace.Client;
using Millrace.Pipeline;
using Xunit;

namespace Millrace.Tests.Client;

public sealed class ValidationTests : IAsyncDisposable
{
    private readonly RecordingStore _store = new();

    public ValueTask DisposeAsync() => _store.DisposeAsync();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Attributes_OnPropertiesAndRecordParameters_AreChecked_OneLineAProblem()
    {
        await using var mill = await OpenAsync();

        var refusal = await Assert.ThrowsAsync<MessageValidationException>(async () =>
            await mill.Queue<Registration>("registrations").SendAsync(new Registration("", 12) { Email = "nonsense" }, cancellationToken: Token));

        Assert.Equal(
            """
            Registration is not valid:
              Name: The Name field is required.
              Age: must be an adult
              Email: The Email field is not a valid e-mail address.
            """.ReplaceLineEndings("\n"),
            refusal.Message);
        Assert.Equal(["Name", "Age", "Email"], refusal.Problems.Select(problem => problem.Member));
        Assert.Empty(_store.Calls);
    }

    [Fact]
    public async Task TheWhole_IsCheckedWhenItsPartsAreRight()
    {
        await using var mill = await OpenAsync();
        var spans = mill.Queue<Period>("periods");

        var refusal = await Assert.ThrowsAsync<MessageValidationException>(async () => await spans.SendAsync(new Period(5, 3), cancellationToken: Token));
        await spans.SendAsync(new Period(3, 5), cancellationToken: Token);

        Assert.Equal("From, To: must be in order", Assert.Single(refusal.Problems).ToString());
        Assert.Single(_store.Calls);
    }

    [Fact]
    public async Task OneInvalidMessageOfABatch_RefusesAllOfIt_AndIsNamed()
    {
        await using var mill = await OpenAsync();

        var refusal = await Assert.ThrowsAsync<MessageValidationException>(async () =>
            await mill.Queue<Order>("orders").SendBatchAsync([new Order("1"), new Order("2", 0), new Order("3")], cancellationToken: Token));

        Assert.StartsWith("Message 2 of 3 (Order) is not valid:\n  Quantity: ", refusal.Message, StringComparison.Ordinal);
        Assert.Empty(_store.Calls);
    }

    [Fact]
    public async Task Validators_HoldForAType_OrForOneQueue()
    {
        await using var mill = await OpenAsync(options =>
        {
            options.AddValidator<Order>(order => order.Number == "bad" ? [new MessageProblem("Number", "is bad")] : []);
            options.AddValidator<string>(text => [new MessageProblem("", "no texts")]);
            options.ForQueue("strict", queue => queue.AddValidator<Order>(order => order.Quantity > 5 ? [new MessageProblem("Quantity", "is too much here")] : []));
        });

        await mill.Queue<Order>("orders").SendAsync(new Order("1", 10), cancellationToken: Token);
        var byType = await Assert.ThrowsAsync<MessageValidationException>(async () => await mill.Queue<Order>("orders").SendAsync(new Order("bad"), cancellationToken: Token));
        var both = await Assert.ThrowsAsync<MessageValidationException>(async () => await mill.Queue<Order>("strict").SendAsync(new Order("bad", 10), cancellationToken: Token));

        Assert.Equal("Order is not valid:\n  Number: is bad", byType.Message);
        Assert.Equal("Order is not valid:\n  Number: is bad\n  Quantity: is too much here", both.Message);
        Assert.Single(_store.Calls);
    }

    [Fact]
    public async Task APublish_IsCheckedByTheValidatorsOfItsType()
    {
        await using var mill = await OpenAsync(options => options.AddValidator<string>(text => [new MessageProblem("", "no texts")]));

        await Assert.ThrowsAsync<MessageValidationException>(async () => await mill.Topic<string>("news").PublishAsync("x", cancellationToken: Token));
        await Assert.ThrowsAsync<MessageValidationException>(async () => await mill.Topic<Order>("orders.placed").PublishAsync(new Order("1", 0), cancellationToken: Token));
        Assert.Empty(_store.Calls);
        Assert.Equal(2, await mill.Topic<Order>("orders.placed").PublishAsync(new Order("1"), cancellationToken: Token));
    }

    [Fact]
    public async Task AValidatorOfABaseType_ChecksDerivedOnes()
    {
        await using var mill = await OpenAsync(options => options.AddValidator<object>(message => [new MessageProblem("", $"no {message.GetType().Name}")]));

        var refusal = await Assert.ThrowsAsync<MessageValidationException>(async () => await mill.Queue<Order>("orders").SendAsync(new Order("1"), cancellationToken: Token));

        Assert.Equal("Order is not valid:\n  no Order", refusal.Message);
    }

    [Fact]
    public async Task Attributes_CanBeLeftUnchecked()
    {
        await using var mill = await OpenAsync(options => options.ForQueue("raw", queue => queue.ValidateAttributes = false));

        await mill.Queue<Order>("raw").SendAsync(new Order("1", 0), cancellationToken: Token);

        Assert.Single(_store.Calls);
    }

    [Fact]
    public void ATypeWithoutAttributes_HasNoValidator() => Assert.Null(DataAnnotationsValidator<string>.TryCreate());

    private ValueTask<MillraceClient> OpenAsync(Action<MillraceClientOptions>? configure = null) =>
        MillraceClient.OpenAsync("recording:", options =>
        {
            options.Backends = _store.Registry();
            configure?.Invoke(options);
        }, Token);

    private sealed record Registration([Required] string Name, [property: Range(18, 150, ErrorMessage = "must be an adult")] int Age)
    {
        [EmailAddress]
        public string? Email { get; init; }
    }

    private sealed record Period(int From, int To) : IValidatableObject
    {
        public IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
        {
            if (From > To)
            {
                yield return new ValidationResult("must be in order", [nameof(From), nameof(To)]);
            }
        }
    }
}
